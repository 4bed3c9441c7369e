#!/usr/bin/env bash
# logstash-logback-encoder drops the whole event when it cannot write one value: a java.time.Duration in a key-value pair, without Jackson's module for java.time on the class path, loses the error it belongs to.
# What it says of that goes to logback's status list, which is not printed by default.
# Seen with logstash-logback-encoder 8.1, logback 1.5.18, jackson-databind 2.19.2.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
<properties><maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target></properties>
<dependencies>
<dependency><groupId>ch.qos.logback</groupId><artifactId>logback-classic</artifactId><version>1.5.18</version></dependency>
<dependency><groupId>net.logstash.logback</groupId><artifactId>logstash-logback-encoder</artifactId><version>8.1</version></dependency>
<dependency><groupId>com.fasterxml.jackson.core</groupId><artifactId>jackson-databind</artifactId><version>2.19.2</version></dependency>
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
        EncoderBase<ILoggingEvent> encoder = new net.logstash.logback.encoder.LogstashEncoder();
        encoder.setContext(context);
        encoder.start();
        ConsoleAppender<ILoggingEvent> appender = new ConsoleAppender<>();
        appender.setContext(context);
        appender.setEncoder(encoder);
        appender.start();
        Logger log = context.getLogger("shop");
        log.addAppender(appender);
        log.atError().addKeyValue("took", 1500).log("first");
        log.atError().addKeyValue("took", java.time.Duration.ofMillis(1500)).log("second");
        log.atError().log("third");
    }
}
JAVA
mvn -q -B compile dependency:build-classpath -Dmdep.outputFile=classpath >/dev/null
java -cp "target/classes:$(cat classpath)" Finding 2>/dev/null | tee out.txt
grep -q first out.txt && grep -q third out.txt && ! grep -q second out.txt || { echo 'CHANGED'; exit 1; }
