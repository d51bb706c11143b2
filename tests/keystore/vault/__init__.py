"""The Vault store on a real OpenBao."""
