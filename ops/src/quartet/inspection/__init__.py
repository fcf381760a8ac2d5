"""What the server's catalogues and statistics tell an operator; every statement here only reads, save the end of a session."""
