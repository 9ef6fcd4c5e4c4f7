"""What a campaign has found: tables, a verdict in words, and one offline HTML page."""
