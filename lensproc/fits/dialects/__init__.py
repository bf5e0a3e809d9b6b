"""What each survey writes into its files, one module per layout."""
