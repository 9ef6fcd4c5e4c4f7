"""The nouns of gbopt: frozen values that the verbs (geometry, md, analysis, search) exchange."""
