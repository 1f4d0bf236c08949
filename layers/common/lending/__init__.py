"""Credit decisions for lenders: scoring, pricing and affordability, the loan store and the score cache."""
