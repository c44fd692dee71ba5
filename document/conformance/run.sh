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
status=0
for kind in ${1:-xml pdf}; do
  class=XmlConformance; [ "$kind" = pdf ] && class=PdfConformance
  java -cp "$work/$kind:$(cat "$work/$kind.classpath")" "$class" "$work/corpus" || status=1
done
exit $status
