"""Where what a scene says is drawn: `across` (a journey for a page), `down` (one for paper), `curves`."""
