#!/usr/bin/env bash
# logback's own JSON encoder writes the message as the programmer did, "order {} failed after {} ms", and the values as texts in an array beside it; key-value pairs become a list of objects of one key each.
# So `"order 17"` finds nothing, and a path kvpList.status leads through an array. `withFormattedMessage` has to be switched on.
# Seen with logback 1.5.18. Our decoder fills the message in, and reads kvpList.status.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
<properties><maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target></properties>
<dependencies>
<dependency><groupId>ch.qos.logback</groupId><artifactId>logback-classic</artifactId><version>1.5.18</version></dependency>
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
        EncoderBase<ILoggingEvent> encoder = new ch.qos.logback.classic.encoder.JsonEncoder();
        encoder.setContext(context);
        encoder.start();
        ConsoleAppender<ILoggingEvent> appender = new ConsoleAppender<>();
        appender.setContext(context);
        appender.setEncoder(encoder);
        appender.start();
        Logger log = context.getLogger("shop");
        log.addAppender(appender);
        log.error("order {} failed after {} ms", 17, 1500);
        log.atError().addKeyValue("status", 500).log("refused");
    }
}
JAVA
mvn -q -B compile dependency:build-classpath -Dmdep.outputFile=classpath >/dev/null
java -cp "target/classes:$(cat classpath)" Finding 2>/dev/null | tee out.txt
grep -q '"message":"order {} failed after {} ms","arguments": \["17","1500"\]' out.txt && grep -q '"kvpList": \[{"status":"500"}\]' out.txt || { echo 'CHANGED'; exit 1; }
