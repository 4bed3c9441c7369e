#!/usr/bin/env bash
# A key in the MDC, or of a key-value pair, that is called like a field of the format ends the record there: Spring Boot's structured logging leaves the JSON open, without a line break, and the next record follows in the same line.
# The throwable of the log is lost. Such keys are `level` and `message` in the format logstash, `message` or `log.level` in ecs; gelf is not affected, its keys have a prefix.
# Seen with Spring Boot 4.1.0. Version 3.5.0 writes nothing at all of such logs.
# Our decoder closes the record and reads both.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
mkdir -p src/main/java
cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
<properties><maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target></properties>
<dependencies><dependency><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter</artifactId><version>4.1.0</version></dependency></dependencies>
</project>
XML
cat >src/main/java/App.java <<'JAVA'
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.boot.Banner;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.context.annotation.Configuration;

@Configuration
public class App implements CommandLineRunner {
    public static void main(String[] args) {
        SpringApplication app = new SpringApplication(App.class);
        app.setBannerMode(Banner.Mode.OFF);
        app.setLogStartupInfo(false);
        app.run(args);
    }

    public void run(String... args) {
        Logger log = LoggerFactory.getLogger("shop");
        log.atError().addKeyValue("level", "gold").setCause(new IllegalStateException("boom")).log("payment failed");
        log.atInfo().addKeyValue("order", 7).log("payment accepted");
    }
}
JAVA
mvn -q compile dependency:build-classpath -Dmdep.outputFile=path >mvn.txt 2>&1 || { cat mvn.txt; exit 1; }
java -Dlogging.structured.format.console=logstash -cp "target/classes:$(cat path)" App 2>/dev/null |
  grep '^{' | sed -E 's/"@timestamp":"[^"]*",//g' | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
{"@version":"1","message":"payment failed","logger_name":"shop","thread_name":"main","level":"ERROR","level_value":40000,{"@version":"1","message":"payment accepted","logger_name":"shop","thread_name":"main","level":"INFO","level_value":20000,"order":7}
OUT
