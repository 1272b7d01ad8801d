"""Pre-flare spectra of the Sun: ingest, train, explain, report (Panos, Kleint & Zbinden 2023, A&A 671, A73)."""

__version__ = "0.1.0"
