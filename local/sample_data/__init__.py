"""A generated portfolio: customers whose lives show every answer the service can give.

Always the same for the same `today`. Nobody in it exists, and no phone number in it is anybody's.
"""

from local.sample_data.loading import is_empty, load_if_empty
from local.sample_data.portfolio import sample_portfolio

__all__ = ["is_empty", "load_if_empty", "sample_portfolio"]
