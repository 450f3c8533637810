"""What files mean: recognised, checked and taken apart, without a database and without a network."""
