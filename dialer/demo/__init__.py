"""The bundled campaign: ``prospects.csv``, written by ``scripts/make_demo_csv.py``."""
