"""Everything that knows what an HDU is."""
