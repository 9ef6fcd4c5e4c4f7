"""The record: one run folder with its trials (the truth) and an Optuna study (the index)."""
