"""The provider `aws`: secrets of AWS Secrets Manager, by what ListSecrets says about them."""

from keywatch_aws.provider import AwsProvider, AwsSettings

__all__ = ["AwsProvider", "AwsSettings"]
