"""What an operator can do, a module for each kind of thing."""
