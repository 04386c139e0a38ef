"""Everything that fills."""
