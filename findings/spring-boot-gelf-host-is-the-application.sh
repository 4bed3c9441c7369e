#!/usr/bin/env bash
# GELF of Spring Boot has the name of the application as `host`; without spring.application.name the mandatory field is missing.
# A rule that groups by host groups by application.
# Seen with Spring Boot 4.1.0. Our decoder takes that host for the service too.
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
import org.slf4j.LoggerFactory;
import org.springframework.boot.Banner;
import org.springframework.boot.SpringApplication;

public class App {
    public static void main(String[] args) {
        SpringApplication app = new SpringApplication(App.class);
        app.setBannerMode(Banner.Mode.OFF);
        app.setLogStartupInfo(false);
        app.run(args);
        LoggerFactory.getLogger("shop").error("payment failed");
    }
}
JAVA
mvn -q compile dependency:build-classpath -Dmdep.outputFile=path >mvn.txt 2>&1 || { cat mvn.txt; exit 1; }
for name in -Dspring.application.name=shop -Dunused=1; do
  java "$name" -Dlogging.structured.format.console=gelf -cp "target/classes:$(cat path)" App 2>/dev/null |
    grep '^{' | sed -E 's/"timestamp":[^,]*,//; s/"_process_pid":[0-9]*,//'
done | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
{"version":"1.1","short_message":"payment failed","level":3,"_level_name":"ERROR","_process_thread_name":"main","host":"shop","_log_logger":"shop"}
{"version":"1.1","short_message":"payment failed","level":3,"_level_name":"ERROR","_process_thread_name":"main","_log_logger":"shop"}
OUT
