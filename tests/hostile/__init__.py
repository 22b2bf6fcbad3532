"""What the outside world sends that the product must survive: forged callbacks, floods, broken files, odd requests."""
