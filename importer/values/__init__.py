"""What the text in a cell means: numbers, dates, statuses, names. Of each value once, however often it comes."""
