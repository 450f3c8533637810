"""Pages of reference, made from the code that they describe."""
