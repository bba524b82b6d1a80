"""The one schedule of the background worker: a tick each minute. Due times live in our own rows."""

from __future__ import annotations

from django.db import migrations

NAME = "onebill tick"


def add_tick(apps, schema_editor):
    Schedule = apps.get_model("django_q", "Schedule")
    Schedule.objects.using(schema_editor.connection.alias).get_or_create(
        name=NAME,
        defaults={"func": "integrations.tasks.tick", "schedule_type": "I", "minutes": 1, "repeats": -1},
    )


def remove_tick(apps, schema_editor):
    Schedule = apps.get_model("django_q", "Schedule")
    Schedule.objects.using(schema_editor.connection.alias).filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0001_initial"),
        ("django_q", "0019_alter_task_options_alter_ormq_key_alter_ormq_lock_and_more"),
    ]

    operations = [migrations.RunPython(add_tick, remove_tick)]
