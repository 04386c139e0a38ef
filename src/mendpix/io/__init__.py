"""Picture files to arrays and back."""
