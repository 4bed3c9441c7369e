#!/usr/bin/env bash
# Elastic's ECS encoder for logback writes nothing of SLF4J's key-value pairs: atError().addKeyValue("status", 500) leaves no field at all.
# A rule over the field sees no log of such a service, and none of its logs says that something is missing.
# Seen with logback-ecs-encoder 1.7.0, logback 1.5.18.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
<properties><maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target></properties>
<dependencies>
<dependency><groupId>ch.qos.logback</groupId><artifactId>logback-classic</artifactId><version>1.5.18</version></dependency>
<dependency><groupId>co.elastic.logging</groupId><artifactId>logback-ecs-encoder</artifactId><version>1.7.0</version></dependency>
</dependencies>
</project>
XML
mkdir -p src/main/java
cat >src/main/java/Finding.java <<'JAVA'
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.util.LogbackMDCAdapter;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.encoder.EncoderBase;

public class Finding {
    public static void main(String[] args) {
        LoggerContext context = new LoggerContext();
        context.setMDCAdapter(new LogbackMDCAdapter());
        EncoderBase<ILoggingEvent> encoder = new co.elastic.logging.logback.EcsEncoder();
        encoder.setContext(context);
        encoder.start();
        ConsoleAppender<ILoggingEvent> appender = new ConsoleAppender<>();
        appender.setContext(context);
        appender.setEncoder(encoder);
        appender.start();
        Logger log = context.getLogger("shop");
        log.addAppender(appender);
        log.atError().addKeyValue("status", 500).log("refused");
    }
}
JAVA
mvn -q -B compile dependency:build-classpath -Dmdep.outputFile=classpath >/dev/null
java -cp "target/classes:$(cat classpath)" Finding 2>/dev/null | tee out.txt
grep -q '"message":"refused"' out.txt && ! grep -q 'status' out.txt || { echo 'CHANGED'; exit 1; }
