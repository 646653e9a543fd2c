"""The provider `vault`: KV version 2 secrets of HashiCorp Vault and OpenBao, by their metadata alone."""

from keywatch_vault.provider import VaultProvider, VaultSettings

__all__ = ["VaultProvider", "VaultSettings"]
