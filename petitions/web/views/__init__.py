"""The public pages about petitions and signatures: parse, call a use case, respond."""
