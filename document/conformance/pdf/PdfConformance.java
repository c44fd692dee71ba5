import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.mustangproject.validator.ZUGFeRDValidator;

/**
 * Runs Mustang over the *.pdf of a folder: PDF/A-3 by veraPDF, the XMP of Factur-X, and the embedded XML by schema and EN 16931.
 * Prints the report of each document that fails and exits 1 on any error, or when there is nothing to check.
 */
public final class PdfConformance {
  public static void main(String[] args) throws IOException {
    List<Path> files;
    try (Stream<Path> s = Files.list(Path.of(args[0]))) {
      files = s.filter(f -> f.toString().endsWith(".pdf")).sorted().collect(Collectors.toList());
    }
    int errors = 0;
    for (Path file : files) {
      ZUGFeRDValidator v = new ZUGFeRDValidator();
      v.disableNotices();
      String report = v.validate(file.toString());
      // Mustang's own verdict leaves out the PDF part when the XML is valid, so every part is looked at.
      if (!v.wasCompletelyValid() || report.contains("status=\"invalid\"") || !report.contains("flavour=3b")) {
        errors++;
        System.out.printf("%s: %s%n", file.getFileName(), report);
      }
    }
    System.out.printf("Factur-X (Mustang, veraPDF): %d documents, %d with errors%n", files.size(), errors);
    System.exit(errors == 0 && !files.isEmpty() ? 0 : 1);
  }
}
