"""Makes spark.snappy.parquet: a small CUR 2.0 file written by Spark and parquet-mr themselves.

    pip install pyspark==3.5.3        # needs Java 17
    python3 make.py

Physically as AWS writes it (docs/CUR.md): root spark_schema, every column OPTIONAL, SNAPPY, data
page v1, dictionary with PLAIN fall-back, INT96 timestamps, 3-level maps. Made up: the accounts are
those of AWS's documentation. The expected sums are printed; spark_test.go has them.
"""

import datetime
import decimal
import glob
import os
import random
import shutil

from pyspark.sql import SparkSession
from pyspark.sql.types import DoubleType, MapType, StringType, StructField, StructType, TimestampType

here = os.path.dirname(os.path.abspath(__file__))
text, double, time = StringType(), DoubleType(), TimestampType()
columns = [
    ("bill_bill_type", text), ("bill_billing_entity", text), ("bill_billing_period_end_date", time),
    ("bill_billing_period_start_date", time), ("bill_invoice_id", text), ("bill_invoicing_entity", text),
    ("bill_payer_account_id", text), ("discount", MapType(text, double)), ("identity_line_item_id", text),
    ("line_item_currency_code", text), ("line_item_legal_entity", text), ("line_item_line_item_description", text),
    ("line_item_line_item_type", text), ("line_item_net_unblended_cost", double), ("line_item_operation", text),
    ("line_item_product_code", text), ("line_item_tax_type", text), ("line_item_unblended_cost", double),
    ("line_item_usage_account_id", text), ("line_item_usage_start_date", time), ("line_item_usage_type", text),
    ("product", MapType(text, text)), ("reservation_reservation_a_r_n", text), ("resource_tags", MapType(text, text)),
]
schema = StructType([StructField(n, t, True) for n, t in columns])

draw = random.Random(1)
utc = datetime.timezone.utc
start = datetime.datetime(2026, 3, 1, tzinfo=utc)
rows, total, parts = [], decimal.Decimal(0), decimal.Decimal(0)
for i in range(3000):
    cost = draw.choice([0.0, 0.1, 0.3, 827250.19, 0.30000000000000004, -7e-10, round(draw.uniform(0, 3), 10)])
    total += decimal.Decimal(repr(cost))
    off = round(-cost * 0.07, 10) if i % 3 == 0 and abs(cost) > 1e-3 else None
    if off is not None:
        parts += decimal.Decimal(repr(off))
    r = dict.fromkeys(n for n, _ in columns)
    r |= {
        "bill_bill_type": "Anniversary", "bill_billing_entity": "AWS", "bill_billing_period_start_date": start,
        "bill_billing_period_end_date": datetime.datetime(2026, 4, 1, tzinfo=utc), "bill_invoice_id": "EUINDE26-000001",
        "bill_invoicing_entity": "Amazon Web Services EMEA SARL", "bill_payer_account_id": "111122223333",
        "discount": None if off is None else {"spp_discount": off}, "identity_line_item_id": "%032x" % draw.getrandbits(128),
        "line_item_currency_code": "USD", "line_item_line_item_type": "Usage", "line_item_unblended_cost": cost,
        "line_item_net_unblended_cost": None if off is None else float(decimal.Decimal(repr(cost)) + decimal.Decimal(repr(off))),
        "line_item_product_code": draw.choice(["AmazonEC2", "AmazonS3", "example9product2code"]),
        "line_item_usage_account_id": draw.choice(["111122223333", "444455556666"]),
        "line_item_usage_start_date": start + datetime.timedelta(hours=draw.randrange(744)),
        "product": {"product_name": "Example Product", "region": "eu-central-1"} if i % 2 else None,
        "resource_tags": {} if i % 5 == 0 else {"user_team": "a"},
    }
    rows.append(tuple(r[n] for n, _ in columns))

spark = (
    SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.parquet.outputTimestampType", "INT96").config("spark.ui.enabled", "false")
    .config("spark.hadoop.parquet.page.size", "8192").config("spark.hadoop.parquet.dictionary.page.size", "4096")
    .config("spark.hadoop.parquet.block.size", str(96 * 1024)).config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1").getOrCreate()
)
out = os.path.join(here, "out")
spark.createDataFrame(rows, schema).coalesce(1).write.mode("overwrite").option("compression", "snappy").parquet(out)
os.replace(glob.glob(out + "/part-*.parquet")[0], os.path.join(here, "spark.snappy.parquet"))
shutil.rmtree(out)
print("rows", len(rows), "unblended", total, "spp_discount", parts)
