"""A trained model as other frameworks have it: one module for each, imported when it is used."""
