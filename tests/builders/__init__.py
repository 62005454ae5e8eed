"""Small samples of everything that the tests are made of: rows, token trees, tiny models, files of a whole run."""
