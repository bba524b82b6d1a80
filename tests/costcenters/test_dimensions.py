from __future__ import annotations

import pytest

from costcenters.charts import swatches
from costcenters.dimensions import MODEL_FAMILIES, is_dimension, model_family, value_label


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
        ("user", "a@example.com", "a@example.com"),
    ],
)
def test_labels_are_nicer_than_what_is_stored(key, value, label):
    assert value_label(key, value) == label


@pytest.mark.parametrize("key", ["tag:", "tag", "users", "", "user!"])
def test_these_are_no_dimensions(key):
    assert not is_dimension(key)


class Centers:
    cost_centers: dict[int, object] = {}


def test_a_value_keeps_its_hue_whatever_is_shown_beside_it():
    models = [f"model-{n}" for n in range(40)]
    everything = swatches("model", models, Centers())
    for shown in (models[:9], models[5:12], list(reversed(models[:9]))):
        for value, swatch in swatches("model", shown, Centers()).items():
            assert swatch.split()[0] == everything[value].split()[0]


def test_shown_values_of_one_hue_differ_in_tone():
    classes = swatches("model", [f"model-{n}" for n in range(12)], Centers())
    assert len(set(classes.values())) == 12


def test_model_families_and_charge_types_never_collide():
    assert len(set(swatches("model_family", MODEL_FAMILIES, Centers()).values())) == len(MODEL_FAMILIES)
