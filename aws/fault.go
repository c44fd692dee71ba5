package aws

import (
	"context"
	"errors"
	"net/http"
	"reflect"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/arrears-billing/arrears/agreement"
)

// kinds says what AWS's error codes mean for the caller. The codes are those of the services'
// published models; a code that is not here is Unknown.
var kinds = map[string]agreement.FaultKind{
	"TooManyRequestsException":        agreement.Throttled,
	"ThrottlingException":             agreement.Throttled,
	"Throttling":                      agreement.Throttled,
	"RequestLimitExceeded":            agreement.Throttled,
	"SlowDown":                        agreement.Throttled,
	"ConcurrentModificationException": agreement.Throttled, // another change is under way: this one was not begun

	"ServiceException":        agreement.Unavailable,
	"InternalServerException": agreement.Unavailable,
	"InternalErrorException":  agreement.Unavailable,
	"InternalFailure":         agreement.Unavailable,
	"InternalError":           agreement.Unavailable,
	"ServiceUnavailable":      agreement.Unavailable,

	"ResponsibilityTransferNotFoundException": agreement.NotFound,
	"HandshakeNotFoundException":              agreement.NotFound,
	"AccountNotFoundException":                agreement.NotFound,
	"ResourceNotFoundException":               agreement.NotFound,

	"ConflictException":                              agreement.Conflict,
	"DuplicateHandshakeException":                    agreement.Conflict,
	"DuplicateReportNameException":                   agreement.Conflict,
	"HandshakeAlreadyInStateException":               agreement.Conflict,
	"ResponsibilityTransferAlreadyInStatusException": agreement.Conflict,

	"InvalidInputException":                            agreement.Invalid,
	"ConstraintViolationException":                     agreement.Invalid,
	"HandshakeConstraintViolationException":            agreement.Invalid,
	"InvalidHandshakeTransitionException":              agreement.Invalid,
	"InvalidResponsibilityTransferTransitionException": agreement.Invalid,
	"MasterCannotLeaveOrganizationException":           agreement.Invalid,
	"AWSOrganizationsNotInUseException":                agreement.Invalid,
	"UnsupportedAPIEndpointException":                  agreement.Invalid,
	"ValidationException":                              agreement.Invalid,
	"ValidationError":                                  agreement.Invalid,
	"ServiceQuotaExceededException":                    agreement.Invalid,
	"ServiceLimitExceededException":                    agreement.Invalid,
	"ReportLimitReachedException":                      agreement.Invalid,
	"MalformedPolicyDocument":                          agreement.Invalid,
	"PackedPolicyTooLarge":                             agreement.Invalid,
	"RegionDisabledException":                          agreement.Invalid,

	"AccessDeniedException":              agreement.Denied,
	"AccessDenied":                       agreement.Denied,
	"AccessDeniedForDependencyException": agreement.Denied,
	"ExpiredToken":                       agreement.Denied,
	"ExpiredTokenException":              agreement.Denied,
	"InvalidClientTokenId":               agreement.Denied,
	"UnrecognizedClientException":        agreement.Denied,
	"IncompleteSignature":                agreement.Denied,
	"SignatureDoesNotMatch":              agreement.Denied,
	"InvalidSignatureException":          agreement.Denied,
	"MissingAuthenticationToken":         agreement.Denied,
	"OptInRequired":                      agreement.Denied,
}

// reasons are those that say more than their code does.
var reasons = map[string]agreement.FaultKind{
	"RESPONSIBILITY_TRANSFER_ALREADY_EXISTS":                agreement.Conflict,
	"BILLING_GROUP_ALREADY_EXIST_IN_CURRENT_BILLING_PERIOD": agreement.Conflict,
	"MISSING_BILLINGGROUP":                                  agreement.NotFound, // DeleteBillingGroup has no code of its own for it
	"WRITE_CONFLICT_RETRY":                                  agreement.Throttled,
	"HANDSHAKE_RATE_LIMIT_EXCEEDED":                         agreement.Throttled,
	"ORGANIZATION_MEMBERSHIP_CHANGE_RATE_LIMIT_EXCEEDED":    agreement.Throttled,
	"ACCESS_DENIED_DURING_CREATE_SERVICE_LINKED_ROLE":       agreement.Denied,
}

// fault turns what a client returned into an *agreement.Fault, or into the context's own error
// when the caller gave up.
func fault(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		var strange *smithy.DeserializationError
		if errors.As(err, &strange) && status(err) < http.StatusInternalServerError {
			return unknown(operation, strange.Error())
		}
		return &agreement.Fault{Kind: agreement.Unavailable, Operation: operation, Code: "NoAnswer", Text: err.Error()}
	}
	f := &agreement.Fault{Operation: operation, Code: answer.ErrorCode(), Reason: reason(answer), Text: answer.ErrorMessage()}
	switch {
	case reasons[f.Reason] != "":
		f.Kind = reasons[f.Reason]
	case kinds[f.Code] != "":
		f.Kind = kinds[f.Code]
	case status(err) >= http.StatusInternalServerError:
		f.Kind = agreement.Unavailable
	default:
		f.Kind = agreement.Unknown
	}
	return f
}

// unknown is an answer that is not what the service's model says.
func unknown(operation, text string) error {
	return &agreement.Fault{Kind: agreement.Unknown, Operation: operation, Code: "UnknownAnswer", Text: text}
}

// missing is the fault of a thing that a list did not show.
func missing(operation, text string) error {
	return &agreement.Fault{Kind: agreement.NotFound, Operation: operation, Code: "NotListed", Text: text}
}

// status is the HTTP status of the answer in an error; 0 if there was none.
func status(err error) int {
	var answer *smithyhttp.ResponseError
	var own *answerError
	switch {
	case errors.As(err, &answer):
		return answer.HTTPStatusCode()
	case errors.As(err, &own):
		return own.status
	}
	return 0
}

// reason reads the member Reason that many error types of the SDK have, each of a type of its own.
func reason(err smithy.APIError) string {
	v := reflect.Indirect(reflect.ValueOf(err))
	if v.Kind() != reflect.Struct {
		return ""
	}
	if f := v.FieldByName("Reason"); f.IsValid() && f.Kind() == reflect.String {
		return f.String()
	}
	return ""
}
