"""What the exchange is about: values and rules, without I/O."""
