"""What animals, people and agents did, in numbers: one measure, one function."""
