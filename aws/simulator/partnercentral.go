package simulator

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A program is a program management account of Partner Central: an account that receives bills on
// a partner's program.
type program struct {
	ID       string
	Partner  string // the partner's own account, that made it
	Account  string // the account that receives the bills
	Kind     string // SOLUTION_PROVIDER, DISTRIBUTION, DISTRIBUTION_SELLER
	Name     string
	Status   string // PENDING until the account has accepted, ACTIVE, INACTIVE
	revision int
	created  time.Time
	updated  time.Time
}

// A relationship links a program management account to a customer's account.
type relationship struct {
	ID          string
	Association string
	Account     string
	Name        string
	Model       string
	Sector      string
	program     *program
	revision    int
	created     time.Time
	updated     time.Time
}

var partnerCentralOps = map[string]operation{
	"CreateProgramManagementAccount": op(createProgram),
	"ListProgramManagementAccounts":  op(listPrograms),
	"UpdateProgramManagementAccount": op(updateProgram),
	"DeleteProgramManagementAccount": op(deleteProgram),
	"CreateRelationship":             op(createRelationship),
	"GetRelationship":                op(getRelationship),
	"ListRelationships":              op(listRelationships),
	"UpdateRelationship":             op(updateRelationship),
	"DeleteRelationship":             op(deleteRelationship),
	"CreateChannelHandshake":         op(createChannelHandshake),
	"AcceptChannelHandshake":         op(acceptChannelHandshake),
	"RejectChannelHandshake":         op(rejectChannelHandshake),
	"CancelChannelHandshake":         op(cancelChannelHandshake),
	"ListChannelHandshakes":          op(listChannelHandshakes),
}

func requestInvalid(field, message string) *Error {
	return &Error{Code: "ValidationException", Reason: "REQUEST_VALIDATION_FAILED", Message: message,
		Fields: map[string]any{"fieldList": []any{map[string]any{"name": field, "code": "INVALID_VALUE", "message": message}}}}
}

func businessInvalid(message string) *Error {
	return &Error{Code: "ValidationException", Reason: "BUSINESS_VALIDATION_FAILED", Message: message}
}

func notFound(kind, id string) *Error {
	return &Error{Code: "ResourceNotFoundException", Message: "no " + kind + " " + id,
		Fields: map[string]any{"resourceId": id, "resourceType": kind}}
}

func conflict(kind, id, message string) *Error {
	return &Error{Code: "ConflictException", Message: message, Fields: map[string]any{"resourceId": id, "resourceType": kind}}
}

func denied(message string) *Error {
	return &Error{Code: "AccessDeniedException", Message: message}
}

// lastPart is the id in an identifier that may be an ARN.
func lastPart(identifier string) string { return identifier[strings.LastIndexByte(identifier, '/')+1:] }

// displayName is what Partner Central takes as the name of a program account or a relationship.
var displayName = regexp.MustCompile(`^[^\x00-\x1F\x7F]{1,30}$`)

// catalogs are the catalogues of Partner Central; only AWS has content here.
func catalogKnown(name string) error {
	if name != "AWS" && name != "Sandbox" {
		return requestInvalid("catalog", "catalog must be AWS or Sandbox")
	}
	return nil
}

func (p *program) arn() string {
	return "arn:aws:partnercentral:us-east-1:" + p.Partner + ":catalog/AWS/program-management-account/" + p.ID
}

func (r *relationship) arn() string { return r.program.arn() + "/relationship/" + r.ID }

// program returns a program account that is the caller's: the partner's that made it, or the
// account itself.
func (s *Simulator) program(c caller, identifier string) (*program, error) {
	for _, p := range s.programs {
		if p.ID == lastPart(identifier) && (p.Partner == c.Account || p.Account == c.Account) {
			return p, nil
		}
	}
	return nil, notFound("ProgramManagementAccount", identifier)
}

type createProgramIn struct{ Catalog, Program, DisplayName, AccountId string }

func createProgram(s *Simulator, c caller, in createProgramIn) (any, error) {
	switch {
	case catalogKnown(in.Catalog) != nil:
		return nil, catalogKnown(in.Catalog)
	case !slices.Contains([]string{"SOLUTION_PROVIDER", "DISTRIBUTION", "DISTRIBUTION_SELLER"}, in.Program):
		return nil, requestInvalid("program", "no such program: "+in.Program)
	case !displayName.MatchString(in.DisplayName):
		return nil, requestInvalid("displayName", "displayName must be 1 to 30 characters")
	case !twelveDigits.MatchString(in.AccountId):
		return nil, requestInvalid("accountId", "accountId must be twelve digits")
	}
	for _, p := range s.programs {
		if p.Account == in.AccountId {
			return nil, conflict("ProgramManagementAccount", p.ID, "the account is a program management account")
		}
	}
	p := &program{ID: s.id("pma-", 13), Partner: c.Account, Account: in.AccountId, Kind: in.Program, Name: in.DisplayName,
		Status: statePending, revision: 1, created: s.now(), updated: s.now()}
	s.programs = append(s.programs, p)
	return map[string]any{"programManagementAccountDetail": map[string]any{"id": p.ID, "arn": p.arn()}}, nil
}

// channelPaging is what the lists of Partner Central take.
type channelPaging struct {
	Catalog    string
	MaxResults int
	NextToken  string
}

func channelPage[T any](s *Simulator, list string, items []T, p channelPaging) (any, error) {
	got, next, ok := page(s, list, items, p.NextToken, p.MaxResults, 100, true)
	if !ok {
		return nil, requestInvalid("nextToken", "the token is not one of this list")
	}
	out := map[string]any{"items": got}
	if next != "" {
		out["nextToken"] = next
	}
	return out, nil
}

// wanted says whether a filter lets a value pass; an empty one lets all pass.
func wanted(filter []string, value string) bool {
	return len(filter) == 0 || slices.ContainsFunc(filter, func(f string) bool { return lastPart(f) == value })
}

type listProgramsIn struct {
	channelPaging
	DisplayNames, Programs, AccountIds, Statuses []string
}

func listPrograms(s *Simulator, c caller, in listProgramsIn) (any, error) {
	if err := catalogKnown(in.Catalog); err != nil {
		return nil, err
	}
	var items []any
	for _, p := range s.programs {
		if (p.Partner == c.Account || p.Account == c.Account) && wanted(in.AccountIds, p.Account) && wanted(in.Programs, p.Kind) &&
			wanted(in.Statuses, p.Status) && wanted(in.DisplayNames, p.Name) {
			items = append(items, map[string]any{
				"id": p.ID, "arn": p.arn(), "catalog": "AWS", "revision": strconv.Itoa(p.revision), "program": p.Kind,
				"displayName": p.Name, "accountId": p.Account, "status": p.Status,
				"createdAt": iso{p.created}, "updatedAt": iso{p.updated}, "startDate": iso{p.created},
			})
		}
	}
	return channelPage(s, "programs", items, in.channelPaging)
}

type updateIn struct {
	Catalog, Identifier, Revision, DisplayName string
	ProgramManagementAccountIdentifier         string
}

func updateProgram(s *Simulator, c caller, in updateIn) (any, error) {
	p, err := s.program(c, in.Identifier)
	if err != nil {
		return nil, err
	}
	if in.Revision != "" && in.Revision != strconv.Itoa(p.revision) {
		return nil, conflict("ProgramManagementAccount", p.ID, "the revision is "+strconv.Itoa(p.revision))
	}
	if in.DisplayName != "" {
		p.Name = in.DisplayName
	}
	p.revision++
	p.updated = s.now()
	return map[string]any{"programManagementAccountDetail": map[string]any{
		"id": p.ID, "arn": p.arn(), "revision": strconv.Itoa(p.revision), "displayName": p.Name}}, nil
}

func deleteProgram(s *Simulator, c caller, in updateIn) (any, error) {
	p, err := s.program(c, in.Identifier)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(s.relations, func(r *relationship) bool { return r.program == p }) {
		return nil, conflict("ProgramManagementAccount", p.ID, "it has relationships")
	}
	s.programs = slices.DeleteFunc(s.programs, func(q *program) bool { return q == p })
	return nil, nil
}

type createRelationshipIn struct {
	Catalog, AssociationType, ProgramManagementAccountIdentifier, AssociatedAccountId string
	DisplayName, ResaleAccountModel, Sector                                           string
}

func createRelationship(s *Simulator, c caller, in createRelationshipIn) (any, error) {
	if err := catalogKnown(in.Catalog); err != nil {
		return nil, err
	}
	p, err := s.program(c, in.ProgramManagementAccountIdentifier)
	if err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains([]string{"DOWNSTREAM_SELLER", "END_CUSTOMER", "INTERNAL"}, in.AssociationType):
		return nil, requestInvalid("associationType", "no such association type: "+in.AssociationType)
	case !slices.Contains([]string{"", "DISTRIBUTOR", "END_CUSTOMER", "SOLUTION_PROVIDER"}, in.ResaleAccountModel):
		return nil, requestInvalid("resaleAccountModel", "no such resale account model: "+in.ResaleAccountModel)
	case !slices.Contains([]string{"COMMERCIAL", "GOVERNMENT", "GOVERNMENT_EXCEPTION"}, in.Sector):
		return nil, requestInvalid("sector", "no such sector: "+in.Sector)
	case !displayName.MatchString(in.DisplayName):
		return nil, requestInvalid("displayName", "displayName must be 1 to 30 characters")
	case !twelveDigits.MatchString(in.AssociatedAccountId):
		return nil, requestInvalid("associatedAccountId", "associatedAccountId must be twelve digits")
	case s.accounts[in.AssociatedAccountId] == nil:
		return nil, businessInvalid("the associated account does not exist")
	case p.Status != "ACTIVE":
		return nil, businessInvalid("the program management account is " + p.Status)
	}
	for _, r := range s.relations {
		if r.program == p && r.Account == in.AssociatedAccountId {
			return nil, conflict("Relationship", r.ID, "there is a relationship with this account")
		}
	}
	r := &relationship{ID: s.id("rs-", 13), Association: in.AssociationType, Account: in.AssociatedAccountId, Name: in.DisplayName,
		Model: in.ResaleAccountModel, Sector: in.Sector, program: p, revision: 1, created: s.now(), updated: s.now()}
	s.relations = append(s.relations, r)
	return map[string]any{"relationshipDetail": map[string]any{"id": r.ID, "arn": r.arn()}}, nil
}

func (r *relationship) wire() map[string]any {
	w := map[string]any{
		"id": r.ID, "arn": r.arn(), "revision": strconv.Itoa(r.revision), "catalog": "AWS", "associationType": r.Association,
		"programManagementAccountId": r.program.ID, "associatedAccountId": r.Account, "displayName": r.Name, "sector": r.Sector,
		"createdAt": iso{r.created}, "updatedAt": iso{r.updated}, "startDate": iso{r.created},
	}
	return w
}

// relationship returns a relationship of a program account that is the caller's.
func (s *Simulator) relationship(c caller, identifier string) (*relationship, error) {
	for _, r := range s.relations {
		if r.ID == lastPart(identifier) && (r.program.Partner == c.Account || r.program.Account == c.Account) {
			return r, nil
		}
	}
	return nil, notFound("Relationship", identifier)
}

// relationshipIn finds the relationship that a request names within a program account.
func (s *Simulator) relationshipIn(c caller, in updateIn) (*relationship, error) {
	if err := catalogKnown(in.Catalog); err != nil {
		return nil, err
	}
	p, err := s.program(c, in.ProgramManagementAccountIdentifier)
	if err != nil {
		return nil, err
	}
	r, err := s.relationship(c, in.Identifier)
	if err != nil {
		return nil, err
	}
	if r.program != p {
		return nil, notFound("Relationship", in.Identifier)
	}
	return r, nil
}

func getRelationship(s *Simulator, c caller, in updateIn) (any, error) {
	r, err := s.relationshipIn(c, in)
	if err != nil {
		return nil, err
	}
	w := r.wire()
	if r.Model != "" {
		w["resaleAccountModel"] = r.Model // the list does not tell it
	}
	return map[string]any{"relationshipDetail": w}, nil
}

type listRelationshipsIn struct {
	channelPaging
	AssociatedAccountIds, AssociationTypes, DisplayNames, ProgramManagementAccountIdentifiers []string
}

func listRelationships(s *Simulator, c caller, in listRelationshipsIn) (any, error) {
	if err := catalogKnown(in.Catalog); err != nil {
		return nil, err
	}
	var items []any
	for _, r := range s.relations {
		if (r.program.Partner == c.Account || r.program.Account == c.Account) && wanted(in.AssociatedAccountIds, r.Account) &&
			wanted(in.AssociationTypes, r.Association) && wanted(in.DisplayNames, r.Name) &&
			wanted(in.ProgramManagementAccountIdentifiers, r.program.ID) {
			items = append(items, r.wire())
		}
	}
	return channelPage(s, "relationships", items, in.channelPaging)
}

func updateRelationship(s *Simulator, c caller, in updateIn) (any, error) {
	r, err := s.relationshipIn(c, in)
	if err != nil {
		return nil, err
	}
	if in.Revision != "" && in.Revision != strconv.Itoa(r.revision) {
		return nil, conflict("Relationship", r.ID, "the revision is "+strconv.Itoa(r.revision))
	}
	if in.DisplayName != "" {
		r.Name = in.DisplayName
	}
	r.revision++
	r.updated = s.now()
	return map[string]any{"relationshipDetail": map[string]any{
		"id": r.ID, "arn": r.arn(), "revision": strconv.Itoa(r.revision), "displayName": r.Name}}, nil
}

func deleteRelationship(s *Simulator, c caller, in updateIn) (any, error) {
	r, err := s.relationshipIn(c, in)
	if err != nil {
		return nil, err
	}
	if p := s.servicePeriod(r.program.Account, r.Account); p != nil && p.PeriodType == fixedCommitment && s.now().Before(p.End) {
		return nil, conflict("Relationship", r.ID, "a fixed commitment runs until "+p.End.Format(time.RFC3339))
	}
	s.relations = slices.DeleteFunc(s.relations, func(q *relationship) bool { return q == r })
	return nil, nil
}
