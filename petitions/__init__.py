"""All that concerns petitions and signatures. Imports nothing of `campaign`."""
