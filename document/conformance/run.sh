#!/usr/bin/env bash
# Makes the corpus and runs the official validators over it: see docs/CONFORMANCE.md.
# Needs Go, a JDK of version 17 or later and Maven; artefacts come from Maven Central.
#   run.sh          everything
#   run.sh xml      only UBL and CII;   run.sh pdf   only Factur-X
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/corpus"
(cd "$here/../.." && CORPUS_DIR="$work/corpus" go test ./document -count=1 -run '^TestCorpus$')

for kind in ${1:-xml pdf}; do
  mvn -q -B -s "$here/settings.xml" -f "$here/$kind/pom.xml" dependency:build-classpath -Dmdep.outputFile="$work/$kind.classpath"
  mkdir "$work/$kind"
  javac -cp "$(cat "$work/$kind.classpath")" -d "$work/$kind" "$here/$kind/"*.java
done

# Validators that find nothing wrong with anything would prove nothing: these documents must fail.
mkdir "$work/broken-xml" "$work/broken-pdf"
one=$(cd "$work/corpus" && ls ./*-2026-000001.ubl.xml | head -1)
one=$(basename "$one" .ubl.xml)
sed -E 's|(<cbc:PayableAmount[^>]*>)|\11|' "$work/corpus/$one.ubl.xml" > "$work/broken-xml/total.ubl.xml"
sed -E 's|(<ram:DuePayableAmount>)|\11|' "$work/corpus/$one.cii.xml" > "$work/broken-xml/total.cii.xml"
sed -E 's|<cbc:EndpointID.*||' "$work/corpus/$one.ubl.xml" > "$work/broken-xml/endpoint.ubl.xml"
sed 's|/AFRelationship|/AFRelationshop|' "$work/corpus/$one.pdf" > "$work/broken-pdf/relationship.pdf"
sed 's|GrandTotalAmount>[0-9]|GrandTotalAmount>0|' "$work/corpus/$one.pdf" > "$work/broken-pdf/total.pdf"

validate() { # kind, folder
  local class=XmlConformance
  [ "$1" = pdf ] && class=PdfConformance
  java -cp "$work/$1:$(cat "$work/$1.classpath")" "$class" "$2"
}
status=0
for kind in ${1:-xml pdf}; do
  for broken in "$work/broken-$kind"/*; do
    mkdir "$work/one" && cp "$broken" "$work/one"
    if validate "$kind" "$work/one" > "$work/log"; then
      cat "$work/log"
      echo "$(basename "$broken") is broken and passed" >&2
      status=1
    fi
    rm -r "$work/one"
  done
  validate "$kind" "$work/corpus" || status=1
done
exit $status
