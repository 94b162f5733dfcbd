"""Who may do what: API keys, panel logins, and the defaults of a first start."""
