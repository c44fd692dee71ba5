"""A client that is not ours: boto3 acts as a reseller and as customers. Arguments: endpoint, secret."""

import datetime
import json
import sys
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT, SECRET = sys.argv[1:3]
PAYER, CUSTOMER, OTHER, STRANGER = "999900001111", "111122223333", "444455556666", "123456789012"


def admin(path, body):
    request = urllib.request.Request(ENDPOINT + path, json.dumps(body).encode(), method="POST")
    return json.loads(urllib.request.urlopen(request).read())


def client(service, account):
    return boto3.client(service, endpoint_url=ENDPOINT, region_name="us-east-1", aws_access_key_id="AKIA" + account,
                        aws_secret_access_key=SECRET, config=Config(retries={"total_max_attempts": 1}))


def refused(code, reason, call, **arguments):
    """The call must be refused with this error."""
    try:
        call(**arguments)
    except ClientError as e:
        got = e.response["Error"]["Code"], e.response.get("Reason") or e.response.get("reason")
        assert got == (code, reason), f"refused with {got}, not {(code, reason)}"
        return
    raise AssertionError(f"not refused; want {code} {reason}")


def utc(*day):
    return datetime.datetime(*day, tzinfo=datetime.timezone.utc)


def everything(paginator, member, **arguments):
    """All items of a paginated list, and how many pages they came in."""
    pages = list(paginator.paginate(**arguments))
    return [item for page in pages for item in page[member]], len(pages)


def transfers():
    reseller, customer, other = (client("organizations", a) for a in (PAYER, CUSTOMER, OTHER))

    def invite(account, start=utc(2026, 3, 1)):
        return dict(Type="BILLING", Target={"Id": account, "Type": "ACCOUNT"}, StartTimestamp=start, SourceName="Transfer Billing - Buyer B.V.")

    ask = reseller.invite_organization_to_transfer_responsibility
    refused("InvalidInputException", "START_DATE_TOO_LATE", ask, **invite(CUSTOMER, utc(2026, 5, 1)))
    refused("InvalidInputException", "START_DATE_NOT_BEGINNING_OF_MONTH", ask, **invite(CUSTOMER, utc(2026, 3, 2)))
    accepted = ask(**invite(CUSTOMER))["Handshake"]
    declined = ask(**invite(OTHER))["Handshake"]
    assert accepted["ExpirationTimestamp"] == utc(2026, 2, 28), accepted
    refused("HandshakeConstraintViolationException", "RESPONSIBILITY_TRANSFER_ALREADY_EXISTS", ask, **invite(CUSTOMER))
    refused("AccessDeniedException", None, reseller.accept_handshake, HandshakeId=accepted["Id"])
    refused("HandshakeNotFoundException", None, other.accept_handshake, HandshakeId=accepted["Id"])

    for c, h in (customer, accepted), (other, declined):
        mine, pages = everything(c.get_paginator("list_handshakes_for_account"), "Handshakes", Filter={"ActionType": "TRANSFER_RESPONSIBILITY"})
        assert [m["Id"] for m in mine] == [h["Id"]] and pages == 2, (mine, pages)
    sent, _ = everything(reseller.get_paginator("list_handshakes_for_organization"), "Handshakes")
    assert len(sent) == 2, sent
    assert customer.describe_handshake(HandshakeId=accepted["Id"])["Handshake"]["State"] == "REQUESTED"
    assert customer.accept_handshake(HandshakeId=accepted["Id"])["Handshake"]["State"] == "ACCEPTED"
    assert other.decline_handshake(HandshakeId=declined["Id"])["Handshake"]["State"] == "DECLINED"
    refused("HandshakeAlreadyInStateException", None, customer.accept_handshake, HandshakeId=accepted["Id"])
    refused("InvalidHandshakeTransitionException", None, other.accept_handshake, HandshakeId=declined["Id"])

    again = ask(**invite(OTHER))["Handshake"]
    assert reseller.cancel_handshake(HandshakeId=again["Id"])["Handshake"]["State"] == "CANCELED"

    outbound, token = [], {}
    while True:  # by hand: the first page is empty
        page = customer.list_outbound_responsibility_transfers(Type="BILLING", **token)
        outbound += page["ResponsibilityTransfers"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert [(t["Status"], t["Source"]["ManagementAccountId"]) for t in outbound] == [("ACCEPTED", CUSTOMER)], outbound
    refused("InvalidInputException", "INVALID_NEXT_TOKEN", reseller.list_inbound_responsibility_transfers, Type="BILLING", NextToken="mine")

    transfer = outbound[0]["Id"]
    assert reseller.update_responsibility_transfer(Id=transfer, Name="renamed")["ResponsibilityTransfer"]["Name"] == "renamed"
    assert reseller.describe_organization()["Organization"]["FeatureSet"] == "ALL"
    accounts, _ = everything(customer.get_paginator("list_accounts"), "Accounts")
    assert [a["Id"] for a in accounts] == [CUSTOMER, "222233334444"], accounts
    assert customer.describe_account(AccountId="222233334444")["Account"]["Status"] == "ACTIVE"
    refused("AWSOrganizationsNotInUseException", None, client("organizations", STRANGER).describe_organization)
    return transfer


def partner_central():
    partner, payer, customer = (client("partnercentral-channel", a) for a in (STRANGER, PAYER, CUSTOMER))
    program = partner.create_program_management_account(catalog="AWS", program="SOLUTION_PROVIDER", displayName="Reseller", accountId=PAYER)
    program = program["programManagementAccountDetail"]["id"]
    relation = dict(catalog="AWS", associationType="END_CUSTOMER", programManagementAccountIdentifier=program,
                    associatedAccountId=CUSTOMER, displayName="c", resaleAccountModel="END_CUSTOMER", sector="COMMERCIAL")
    refused("ValidationException", "BUSINESS_VALIDATION_FAILED", partner.create_relationship, **relation)
    joined = partner.create_channel_handshake(catalog="AWS", handshakeType="PROGRAM_MANAGEMENT_ACCOUNT", associatedResourceIdentifier=program)
    assert payer.accept_channel_handshake(catalog="AWS", identifier=joined["channelHandshakeDetail"]["id"])["channelHandshakeDetail"]["status"] == "ACCEPTED"
    programs, _ = everything(partner.get_paginator("list_program_management_accounts"), "items", catalog="AWS", statuses=["ACTIVE"])
    assert [p["accountId"] for p in programs] == [PAYER], programs
    partner.update_program_management_account(catalog="AWS", identifier=program, revision="1", displayName="New")
    refused("ConflictException", None, partner.update_program_management_account, catalog="AWS", identifier=program, revision="1", displayName="Old")

    made = partner.create_relationship(clientToken="one", **relation)["relationshipDetail"]["id"]
    assert partner.create_relationship(clientToken="one", **relation)["relationshipDetail"]["id"] == made
    refused("ConflictException", None, partner.create_relationship, clientToken="two", **relation)
    refused("ConflictException", None, partner.create_relationship, clientToken="one", **{**relation, "displayName": "d"})
    got = partner.get_relationship(catalog="AWS", programManagementAccountIdentifier=program, identifier=made)["relationshipDetail"]
    assert got["resaleAccountModel"] == "END_CUSTOMER", got
    partner.update_relationship(catalog="AWS", programManagementAccountIdentifier=program, identifier=made, displayName="e")

    def term(days):
        return dict(catalog="AWS", handshakeType="START_SERVICE_PERIOD", associatedResourceIdentifier=made, payload={"startServicePeriodPayload": {
            "programManagementAccountIdentifier": program, "servicePeriodType": "FIXED_COMMITMENT_PERIOD",
            "endDate": utc(2026, 2, 19, 9) + datetime.timedelta(days=days)}})

    refused("ValidationException", "BUSINESS_VALIDATION_FAILED", partner.create_channel_handshake, **term(366))
    first = partner.create_channel_handshake(**term(365))["channelHandshakeDetail"]["id"]
    assert customer.reject_channel_handshake(catalog="AWS", identifier=first)["channelHandshakeDetail"]["status"] == "REJECTED"
    second = partner.create_channel_handshake(**term(365))["channelHandshakeDetail"]["id"]
    waiting, pages = everything(customer.get_paginator("list_channel_handshakes"), "items", catalog="AWS",
                                handshakeType="START_SERVICE_PERIOD", participantType="RECEIVER", statuses=["PENDING"])
    assert [h["id"] for h in waiting] == [second] and pages == 2, (waiting, pages)
    refused("AccessDeniedException", None, partner.accept_channel_handshake, catalog="AWS", identifier=second)
    customer.accept_channel_handshake(catalog="AWS", identifier=second)
    refused("ConflictException", None, partner.delete_relationship, catalog="AWS", programManagementAccountIdentifier=program, identifier=made)
    relations, _ = everything(partner.get_paginator("list_relationships"), "items", catalog="AWS", associatedAccountIds=[CUSTOMER])
    assert len(relations) == 1, relations
    refused("ConflictException", None, partner.delete_program_management_account, catalog="AWS", identifier=program)
    revoked = partner.create_channel_handshake(catalog="AWS", handshakeType="REVOKE_SERVICE_PERIOD", associatedResourceIdentifier=made,
                                               payload={"revokeServicePeriodPayload": {"programManagementAccountIdentifier": program}})
    customer.accept_channel_handshake(catalog="AWS", identifier=revoked["channelHandshakeDetail"]["id"])
    partner.delete_relationship(catalog="AWS", programManagementAccountIdentifier=program, identifier=made)
    partner.delete_program_management_account(catalog="AWS", identifier=program)


def billing(transfer):
    conductor, views, organizations = client("billingconductor", PAYER), client("billing", PAYER), client("organizations", PAYER)
    arn = organizations.describe_responsibility_transfer(Id=transfer)["ResponsibilityTransfer"]["Arn"]
    plans = conductor.list_pricing_plans()["PricingPlans"]
    basic = next(p["Arn"] for p in plans if p["Name"] == "BasicPricingPlan")
    group = dict(Name="g", AccountGrouping={"ResponsibilityTransferArn": arn}, ComputationPreference={"PricingPlanArn": basic})
    made = conductor.create_billing_group(ClientToken="one", **group)["Arn"]
    assert conductor.create_billing_group(ClientToken="one", **group)["Arn"] == made
    refused("ConflictException", "RESOURCE_NAME_CONFLICT", conductor.create_billing_group, ClientToken="two", **group)
    refused("ValidationException", "INVALID_ARN", conductor.create_billing_group, Name="h", ComputationPreference={"PricingPlanArn": basic},
            AccountGrouping={"ResponsibilityTransferArn": arn[:-1] + "x"})
    groups = conductor.list_billing_groups(Filters={"ResponsibilityTransferArns": [arn]})["BillingGroups"]
    assert [(g["Arn"], g["Status"]) for g in groups] == [(made, "PENDING")], groups

    admin("/_clock", {"now": "2026-03-02T00:00:00Z"})
    kinds = {v["billingViewType"]: v["arn"] for v in views.list_billing_views()["billingViews"]}
    assert sorted(kinds) == ["BILLING_TRANSFER", "BILLING_TRANSFER_SHOWBACK", "PRIMARY"], kinds
    view = kinds["BILLING_TRANSFER"]
    assert views.get_billing_view(arn=view)["billingView"]["sourceAccountId"] == CUSTOMER
    refused("ResourceNotFoundException", None, views.get_billing_view, arn=view + "x")
    refused("ValidationException", "fieldValidationFailed", views.list_billing_views,
            activeTimeRange={"activeAfterInclusive": utc(2026, 3, 1), "activeBeforeInclusive": utc(2026, 4, 1)})

    reports = client("cur", PAYER)
    report = dict(ReportName="r", TimeUnit="HOURLY", Format="Parquet", Compression="Parquet", AdditionalSchemaElements=["RESOURCES"],
                  S3Bucket="b", S3Prefix="p", S3Region="eu-central-1", BillingViewArn=view, RefreshClosedReports=True)
    reports.put_report_definition(ReportDefinition=report)
    refused("DuplicateReportNameException", None, reports.put_report_definition, ReportDefinition=report)
    exports = client("bcm-data-exports", PAYER)
    export = {"Name": "e", "RefreshCadence": {"Frequency": "SYNCHRONOUS"},
              "DataQuery": {"QueryStatement": "SELECT * FROM COST_AND_USAGE_REPORT",
                            "TableConfigurations": {"COST_AND_USAGE_REPORT": {"BILLING_VIEW_ARN": view}}},
              "DestinationConfigurations": {"S3Destination": {"S3Bucket": "b", "S3Prefix": "p", "S3Region": "eu-central-1", "S3OutputConfigurations": {
                  "OutputType": "CUSTOM", "Format": "PARQUET", "Compression": "PARQUET", "Overwrite": "CREATE_NEW_REPORT"}}}}
    refused("ValidationException", "fieldValidationFailed", exports.create_export, Export=export)
    export["DataQuery"]["QueryStatement"] = "SELECT bill_invoice_id FROM COST_AND_USAGE_REPORT"
    made = exports.create_export(Export=export)["ExportArn"]
    admin("/_clock", {"now": "2026-03-05T00:00:00Z"})
    told, _ = everything(reports.get_paginator("describe_report_definitions"), "ReportDefinitions")
    assert told[0]["ReportStatus"] == {"lastDelivery": "20260305T000000Z", "lastStatus": "SUCCESS"}, told
    runs, _ = everything(exports.get_paginator("list_executions"), "Executions", ExportArn=made)
    assert len(runs) == 3 and runs[0]["ExecutionStatus"]["StatusCode"] == "DELIVERY_SUCCESS", runs
    assert exports.get_export(ExportArn=made)["ExportStatus"]["StatusCode"] == "HEALTHY"
    listed, _ = everything(exports.get_paginator("list_exports"), "Exports")
    assert [e["ExportArn"] for e in listed] == [made], listed
    exports.delete_export(ExportArn=made)
    refused("ResourceNotFoundException", None, exports.get_export, ExportArn=made)
    reports.delete_report_definition(ReportName="r")

    admin("/_admin/invoices", {"account": PAYER, "summaries": [{"AccountId": PAYER, "InvoiceId": "INV-1", "IssuedDate": "2026-04-03",
          "BillingPeriod": {"Month": 3, "Year": 2026}, "BaseCurrencyAmount": {"CurrencyCode": "USD", "TotalAmount": "10.00"}}]})
    invoices = client("invoicing", PAYER)
    listed, _ = everything(invoices.get_paginator("list_invoice_summaries"), "InvoiceSummaries",
                           Selector={"ResourceType": "ACCOUNT_ID", "Value": PAYER}, Filter={"BillingPeriod": {"Month": 3, "Year": 2026}})
    assert [(i["InvoiceId"], i["IssuedDate"], i["BaseCurrencyAmount"]["TotalAmount"]) for i in listed] == [("INV-1", utc(2026, 4, 3), "10.00")], listed
    refused("AccessDeniedException", None, invoices.list_invoice_summaries, Selector={"ResourceType": "ACCOUNT_ID", "Value": CUSTOMER})

    end = organizations.terminate_responsibility_transfer
    refused("InvalidInputException", "END_DATE_NOT_END_OF_MONTH", end, Id=transfer, EndTimestamp=utc(2026, 3, 30, 23, 59, 59))
    ended = end(Id=transfer, EndTimestamp=utc(2026, 3, 31, 23, 59, 59))["ResponsibilityTransfer"]
    assert (ended["Status"], ended["EndTimestamp"]) == ("WITHDRAWN", utc(2026, 3, 31, 23, 59, 59)), ended
    refused("ResponsibilityTransferAlreadyInStatusException", None, end, Id=transfer)
    conductor.delete_billing_group(Arn=groups[0]["Arn"])


def roles():
    sts = client("sts", PAYER)
    assert sts.get_caller_identity()["Account"] == PAYER
    arn = f"arn:aws:iam::{CUSTOMER}:role/Bootstrap"
    refused("AccessDenied", None, sts.assume_role, RoleArn=arn, RoleSessionName="boto3")
    admin("/_admin/roles", {"account": CUSTOMER, "name": "Bootstrap", "trusts": [PAYER]})
    keys = sts.assume_role(RoleArn=arn, RoleSessionName="boto3")["Credentials"]
    inside = boto3.client("sts", endpoint_url=ENDPOINT, region_name="us-east-1", aws_access_key_id=keys["AccessKeyId"],
                          aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"])
    assert inside.get_caller_identity()["Account"] == CUSTOMER
    wrong = boto3.client("organizations", endpoint_url=ENDPOINT, region_name="us-east-1", aws_access_key_id="AKIA" + PAYER, aws_secret_access_key="guessed")
    refused("InvalidSignatureException", None, wrong.describe_organization)


def faults():
    admin("/_admin/faults", {"service": "organizations", "kind": "throttle"})
    organizations = client("organizations", PAYER)
    refused("TooManyRequestsException", None, organizations.describe_organization)
    organizations.describe_organization()
    admin("/_admin/faults", {"service": "billingconductor", "kind": "internal"})
    conductor = client("billingconductor", PAYER)
    refused("InternalServerException", None, conductor.list_pricing_plans)
    conductor.list_pricing_plans()


admin("/_clock", {"now": "2026-02-19T09:00:00Z"})
for organization in {"management": PAYER, "inbound_quota": 10}, {"management": CUSTOMER, "members": ["222233334444"]}, {"management": OTHER}:
    admin("/_admin/organizations", organization)
admin("/_admin/accounts", {"id": STRANGER})
roles()
transfer = transfers()
partner_central()
billing(transfer)
faults()
print("boto3", boto3.__version__, "is satisfied")
