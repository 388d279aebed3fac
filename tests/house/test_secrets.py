"""No key, token or password of a real service stands in the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from detect_secrets import SecretsCollection
from detect_secrets.settings import transient_settings

from tools.house import ROOT

# By shape, not by entropy: the digests and vectors in the tests are random too.
SHAPES = [
    *(
        "ArtifactoryDetector",
        "AWSKeyDetector",
        "AzureStorageKeyDetector",
        "DiscordBotTokenDetector",
    ),
    *("GitHubTokenDetector", "GitLabTokenDetector", "MailchimpDetector", "NpmDetector"),
    *("OpenAIDetector", "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector"),
    *("SlackDetector", "SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector"),
]

# Tests and vectors of what must never be shown plant keys of their own; a lock is digests alone.
FAKES = {"test_redact.py", "errors.json", "uv.lock"}


def findings(*files: Path) -> list[str]:
    secrets = SecretsCollection()
    with transient_settings({"plugins_used": [{"name": name} for name in SHAPES]}):
        for file in files:
            secrets.scan_file(str(file))
    return [f"{file}:{secret.line_number}: {secret.type}" for file, secret in secrets]


def test_the_repository_holds_no_secret() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    found = findings(*(file for file in files if file.is_file() and file.name not in FAKES))
    assert [] == found, "\n".join(found)


@pytest.mark.parametrize(
    "planted",
    [
        "AWS_ACCESS_KEY_ID = 'AKIA" + "QYLPMN5HHHFPZAM2'",
        "token = 'ghp_" + "a1B2" * 9 + "'",
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    ],
    ids=["aws", "github", "private-key", "stripe"],
)
def test_a_planted_key_is_found(planted: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text(planted)
    assert 1 == len(findings(file))
