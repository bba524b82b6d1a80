from __future__ import annotations

import pytest

from costcenters.dimensions import is_dimension, model_family, value_label


@pytest.mark.parametrize(
    "model, family",
    [
        ("claude-4.5-sonnet", "Claude"),
        ("Claude-4-Opus", "Claude"),
        ("gpt-5.5-high", "GPT"),
        ("o3", "GPT"),
        ("o3-pro", "GPT"),
        ("o365-licence", "Other"),
        ("gemini-3-pro", "Gemini"),
        ("grok-code-fast", "Grok"),
        ("composer-2.5-fast", "Composer"),
        ("cursor-small", "Composer"),
        ("deepseek-v3", "DeepSeek"),
        ("kimi-k2", "Kimi"),
        ("default", "Auto"),
        ("defaults-of-a-sku", "Other"),
        ("BoxUsage:m7g.large", "Other"),
        ("", ""),
    ],
)
def test_a_model_belongs_to_a_family_by_how_its_name_begins(model, family):
    assert model_family(model) == family


@pytest.mark.parametrize(
    "key, value, label",
    [
        ("charge_type", "seat", "Seats"),
        ("provider", "aws", "AWS"),
        ("kind", "USAGE_EVENT_KIND_USAGE_BASED", "Usage based"),
        ("kind", "Included in Business", "Included in Business"),
        ("model", "default", "Auto (default)"),
        ("model", "", "No model"),
        ("surface", "cloud agent", "Cloud agent"),
        ("tag:team", "", "No tag team"),
        ("seat_activity", "idle", "Idle"),
        ("seat_activity", "", "No seat"),
        ("user", "a@example.com", "a@example.com"),
    ],
)
def test_labels_are_nicer_than_what_is_stored(key, value, label):
    assert value_label(key, value) == label


@pytest.mark.parametrize("key", ["tag:", "tag", "users", "", "user!"])
def test_these_are_no_dimensions(key):
    assert not is_dimension(key)
