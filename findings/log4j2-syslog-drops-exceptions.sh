#!/usr/bin/env bash
# Log4j's layouts for syslog (RFC 3164 and RFC 5424) write nothing of an exception unless exceptionPattern is configured: no class, no message, no stack. Line breaks in a message stay, and nothing separates two messages of a stream.
# Seen with log4j-core 2.25.4.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat >pom.xml <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.25.4</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -Dstyle.color=never org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile=classpath >/dev/null
cat >Finding.java <<'JAVA'
import org.apache.logging.log4j.LogManager;

public class Finding {
    public static void main(String[] args) {
        LogManager.getLogger("shop").error("payment failed", new RuntimeException("no answer"));
        LogManager.getLogger("shop").error("refund\nfailed", new RuntimeException("no answer"));
    }
}
JAVA
for layout in '<SyslogLayout/>' '<Rfc5424Layout appName="shop"/>' '<Rfc5424Layout appName="shop" exceptionPattern="%n%ex{short}"/>'; do
  cat >log4j2.xml <<XML
<Configuration><Appenders><Console name="out">$layout</Console></Appenders>
  <Loggers><Root level="info"><AppenderRef ref="out"/></Root></Loggers></Configuration>
XML
  echo "$layout"
  java -cp "$(cat classpath)" -Dlog4j2.configurationFile=log4j2.xml Finding.java 2>/dev/null | sed -E 's/[0-9]{4}-[0-9-]+T[0-9:.]+(Z|[+-][0-9:]+) [^ ]+/TIME HOST/; s/[A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} [^ ]+/TIME HOST/g; s/shop [0-9]+/shop PID/; s/[0-9]{4}-[0-9-]+T[0-9:.]+(Z|[+-][0-9:]+) [^ ]+ shop [0-9]+/TIME HOST shop PID/g'
  echo
done | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
<SyslogLayout/>
<131>TIME HOST payment failed<131>TIME HOST refund
failed
<Rfc5424Layout appName="shop"/>
<131>1 TIME HOST shop PID - - payment failed<131>1 TIME HOST shop PID - - refund
failed
<Rfc5424Layout appName="shop" exceptionPattern="%n%ex{short}"/>
<131>1 TIME HOST shop PID - - payment failed

java.lang.RuntimeException: no answer
	at Finding.main(Finding.java:5)
<131>1 TIME HOST shop PID - - refund
failed

java.lang.RuntimeException: no answer
	at Finding.main(Finding.java:6)

OUT
