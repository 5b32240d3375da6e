"""Painters: a scene in looks and a language. Words first, then a drawing in millimetres (SVG, PNG, PDF), or text."""
