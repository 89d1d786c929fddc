<%@ page contentType="text/plain; charset=utf-8" trimDirectiveWhitespaces="true" %>
<%
  try (var version = application.getResourceAsStream("/version.txt")) {
    out.print("hello from " + new String(version.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8).trim());
  }
%>
