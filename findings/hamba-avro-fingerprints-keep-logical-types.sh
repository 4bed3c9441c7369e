#!/usr/bin/env bash
# Avro's specification leaves logical types out of a schema's fingerprint, and Java does so. hamba/avro keeps them, so an object that Java writes (single-object encoding) has a fingerprint that hamba/avro does not know of the same schema, as soon as one field is a timestamp or a decimal.
# Seen with github.com/hamba/avro/v2 v2.31.0 beside org.apache.avro:avro 1.12.1. Without logical types both agree.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat >schemas.txt <<'SCHEMAS'
{"type":"record","name":"Log","fields":[{"name":"at","type":"long"},{"name":"text","type":"string"}]}
{"type":"record","name":"Log","fields":[{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"text","type":"string"}]}
SCHEMAS
for jar in org.apache.avro:avro:1.12.1 com.fasterxml.jackson.core:jackson-databind:2.20.0 com.fasterxml.jackson.core:jackson-core:2.20.0 com.fasterxml.jackson.core:jackson-annotations:2.20 org.slf4j:slf4j-api:2.0.17; do
  mvn -q -B -Dstyle.color=never dependency:copy -Dartifact="$jar" -DoutputDirectory=lib
done
cat >Finding.java <<'JAVA'
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;

public class Finding {
    public static void main(String[] args) throws Exception {
        for (String line : Files.readAllLines(Path.of("schemas.txt"))) {
            long crc = SchemaNormalization.parsingFingerprint64(new Schema.Parser().parse(line));
            System.out.println(String.format("Java %016x", crc));
        }
    }
}
JAVA
javac -cp 'lib/*' Finding.java
java -cp '.:lib/*' Finding 2>/dev/null | tee out.txt
export GOFLAGS=-mod=mod GOWORK=off
printf 'module finding\ngo 1.25\n' >go.mod
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/hamba/avro/v2"
)

func main() {
	text, err := os.ReadFile("schemas.txt")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(text)) {
		crc, err := avro.MustParse(line).FingerprintUsing(avro.CRC64Avro)
		if err != nil {
			panic(err)
		}
		fmt.Printf("Go   %x\n", crc)
	}
}
GO
go get github.com/hamba/avro/v2@v2.31.0 >/dev/null 2>&1
go run . | tee -a out.txt
[ "$(cat out.txt)" = 'Java bbc4106375619e4e
Java bbc4106375619e4e
Go   bbc4106375619e4e
Go   52689e5efd0fe690' ] || { echo 'CHANGED'; exit 1; }
