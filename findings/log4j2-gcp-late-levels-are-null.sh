#!/usr/bin/env bash
# Log4j's template for Google Cloud looks up the severity of a level in a table that it makes when it is created: a level of one's own that is first named after that is written as "severity":"null", the text.
# A level that was named before has its place between the others, so the same level is right in one program and null in the next.
# Seen with log4j-layout-template-json 2.25.4. Google Cloud files such logs under DEFAULT; for us they have no level.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
<properties><maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target></properties>
<dependencies>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.25.4</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-layout-template-json</artifactId><version>2.25.4</version></dependency>
</dependencies>
</project>
XML
mkdir -p src/main/java
cat >src/main/java/Finding.java <<'JAVA'
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.DefaultConfiguration;
import org.apache.logging.log4j.core.impl.Log4jLogEvent;
import org.apache.logging.log4j.layout.template.json.JsonTemplateLayout;
import org.apache.logging.log4j.message.SimpleMessage;

public class Finding {
    public static void main(String[] args) {
        Level early = Level.forName("AUDIT", 250);
        JsonTemplateLayout layout = JsonTemplateLayout.newBuilder()
            .setConfiguration(new DefaultConfiguration())
            .setEventTemplateUri("classpath:GcpLayout.json").build();
        Level late = Level.forName("SECURITY", 150);
        for (Level level : new Level[] {early, late}) {
            System.out.print(layout.toSerializable(Log4jLogEvent.newBuilder()
                .setLoggerName("shop").setLevel(level).setMessage(new SimpleMessage("x")).build()));
        }
    }
}
JAVA
mvn -q -B compile dependency:build-classpath -Dmdep.outputFile=classpath >/dev/null
java -cp "target/classes:$(cat classpath)" Finding 2>/dev/null | tee out.txt
got=$(grep -oE '"severity":("[A-Za-z]+"|null)' out.txt | tr '\n' ' ')
case $got in
*'"severity":"null" ') echo "the late level: null" ;;
*) echo "CHANGED: $got"; exit 1 ;;
esac
[ "$(grep -c '"severity":"null"' out.txt)" = 1 ] || { echo "CHANGED: $got"; exit 1; }
