mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name        = "facturation"
  folder      = "../../../datasets/facturation"
  bucket      = "fonderie-test-datasets"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/test"
}

run "the_billing_dataset" {
  command = plan

  assert {
    condition     = aws_s3_object.next.key == "next/facturation.json" && aws_s3_object.next.kms_key_id == var.kms_key_arn
    error_message = "The bundle has the dataset's name, and is encrypted with our key."
  }

  assert {
    condition = toset([for path in keys(jsondecode(aws_s3_object.next.content)) : dirname(path)]) == toset([
      ".", "records", "sources", "models", "marts", "queries",
    ])
    error_message = "The bundle has what the pipeline reads, and no scenarios."
  }

  assert {
    condition     = jsonencode(output.money) == jsonencode(["montant_facture", "montant_paye"])
    error_message = "The money columns are those that the record's file marks as money: ${jsonencode(output.money)}."
  }

  assert {
    condition = jsonencode(output.sources) == jsonencode(concat(
      [for letter in ["a", "b", "c", "d", "e"] : "etablissement_${letter}"],
      [for number in range(1, 6) : "origine_etablissement${number}"],
    ))
    error_message = "The sources are the files of sources/: ${jsonencode(output.sources)}."
  }
}

run "a_dataset_without_a_schedule_has_its_zone_alone" {
  command = plan

  assert {
    condition     = output.schedule.expression == null && output.schedule.time_zone == "Europe/Paris"
    error_message = "Billing declares a time zone and no schedule: ${jsonencode(output.schedule)}."
  }
}

run "a_dataset_with_a_schedule" {
  command = plan

  variables {
    name   = "vin"
    folder = "../../../datasets/vin"
  }

  assert {
    condition     = output.schedule.expression == "cron(0 9 15 * ? *)" && output.schedule.time_zone == "Europe/Paris"
    error_message = "The wine merchant's runs on the 15th of each month at 9:00: ${jsonencode(output.schedule)}."
  }
}

run "not_a_dataset" {
  command = plan

  variables {
    folder = "../../../datasets"
  }

  expect_failures = [var.folder]
}
