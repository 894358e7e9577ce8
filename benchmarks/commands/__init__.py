"""One file per command: options to settings, results to the terminal. No work is done here."""
