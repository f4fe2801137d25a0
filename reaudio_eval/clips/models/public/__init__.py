"""Systems with published weights, generating from their own files."""
