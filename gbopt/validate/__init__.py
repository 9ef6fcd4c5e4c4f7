"""The evidence for what gbopt computes: its figures against published and exact ones."""
