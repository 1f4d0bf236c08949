"""Tools of the lender's policies: try one on the book, let it in, prove past decisions, decide in bulk."""
